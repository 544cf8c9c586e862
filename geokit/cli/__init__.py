"""The command line: one thin file a verb, each over a function of `geokit.pipelines`."""
