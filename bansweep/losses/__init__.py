"""What a student learns from: a file per distillation loss, pure functions of logits and labels."""
