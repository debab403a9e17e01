"""Occluders with exact alpha mattes: nine rendered categories, or a user's own directory."""
