"""What a user does to what is shown: each tool is a part of the viewer with a folder of its own."""
