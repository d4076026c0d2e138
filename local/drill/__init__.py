"""The drill: stories and scenarios that are played against both cells, judged, measured and reported."""
