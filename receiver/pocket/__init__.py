"""The pocket decoder: a restorer and a refiner, small enough to ship."""
