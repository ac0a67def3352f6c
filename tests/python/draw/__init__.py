"""Inputs drawn at random or by enumeration; knows neither anncat nor what is right."""
