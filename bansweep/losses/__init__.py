"""Distillation losses: pure functions of logits and labels."""
