"""One module a category: parameters in, solid shapes and materials out."""
