"""The fusion operators that come with mosaic: one typed function a file, found by discovery.

A module here holds exactly one operator. To add one, add one file and one test case; nothing lists them.
Other packages provide operators through entry points of the group `mosaic.operators`.
"""
