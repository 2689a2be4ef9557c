"""What is written of many leads in sets, where it is the ordinary thing: confirmed changes of the simplest kinds, reads that found
nothing new. What is out of the ordinary is left to the rest of `mirror`, one lead at a time.
"""
