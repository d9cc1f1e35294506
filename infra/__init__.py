"""Tocsin in an AWS account: the CDK application. Nothing here is imported by the runtime."""
