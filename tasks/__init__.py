"""The story, a sentence a step. Each file is one part of it."""
