"""The checks of `spanwatch doctor` that ask the outside: endpoints, packages, a marked run, back ends."""
