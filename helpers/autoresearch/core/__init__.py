"""The pure core: values in, values out. No file, process, clock or chance."""
