"""What differs between Dify's versions, one file a matter; `provision.dify.generations` says which is whose.

A dialect holds paths, bodies and the reading of answers. It sends nothing and knows no version number.
"""
