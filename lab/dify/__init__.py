"""The lab's Dify: a stand-in for its images, its compose folder and its repository."""
