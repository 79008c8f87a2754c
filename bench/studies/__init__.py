"""One question each: the engines, the decoder, the batch policy, the APIs."""
