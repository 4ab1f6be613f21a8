"""A scripted stand-in for the OpenAI Responses API that plays the scripts of the Messages API's double."""
