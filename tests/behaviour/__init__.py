"""What Nova does, written once, held by the real one and by the model alike."""
