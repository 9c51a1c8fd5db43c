raise ImportError(f"a test that is marked `tools` has used {__name__}: take the mark off")
