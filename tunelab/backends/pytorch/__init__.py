"""PyTorch computes: tensors for layers and rules, and modules of anybody. Only this room imports torch."""
