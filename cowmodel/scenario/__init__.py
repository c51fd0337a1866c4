"""The scenario language, and scenarios on the model: what processes do with their memory, step by step."""
