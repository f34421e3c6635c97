"""PyTorch's data sets and loaders: read as they are, under seeds. Only imported where a person brought one."""
