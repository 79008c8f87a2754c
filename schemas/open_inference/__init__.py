"""The wire types of the Open Inference Protocol v2 over REST."""
