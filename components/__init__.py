"""The program's components: they project settings and registry into AWS resources, and decide nothing."""
