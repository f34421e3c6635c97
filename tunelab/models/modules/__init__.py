"""The `torch.nn.Module`s of tunelab's own models; the one place of this room that imports torch."""
