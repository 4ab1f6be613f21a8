"""From GitHub to commands: the webhook's door, what it points at, the look there, the reconciler."""
