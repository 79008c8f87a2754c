"""The study of explanations: which method tells best where a ViT looked, and what it costs."""
