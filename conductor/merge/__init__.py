"""From a reviewed head to the base branch: the gate, the policy, the train, and what is deployed."""
