"""The conductor: the event store, the lifecycle, dispatch, the merge gate and the intake of webhooks."""
