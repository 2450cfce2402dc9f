"""What Dify has against what it should have: comparisons and plans, without a network."""
