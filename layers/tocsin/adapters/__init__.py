"""The ports on DynamoDB and Valkey."""
