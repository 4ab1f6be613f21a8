"""The event store: one writer, its projections, and the log read anew."""
