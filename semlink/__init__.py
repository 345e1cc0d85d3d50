"""What a person touches: the semlink command, the demo, evaluation."""
