"""Who gets which work: claims and leases, demand, interrupts, the watch, and announcements."""
