"""LocalStack without Docker: functions run as processes, and moto is the DynamoDB.

Two plugins, chosen by LocalStack's own settings: ``LAMBDA_RUNTIME_EXECUTOR=process``,
``PROVIDER_OVERRIDE_DYNAMODB=moto`` and ``PROVIDER_OVERRIDE_DYNAMODBSTREAMS=moto``.

| module | is about |
|---|---|
| ``__main__`` | runs LocalStack |
| ``plugins`` | what LocalStack finds |
| ``executor`` | a LocalStack function version, as a sandbox |
| ``sandbox`` | one execution environment: starts, invokes, starts again after a failure, stops |
| ``runtime`` | one life of the process in it |
| ``runtime_api`` | the HTTP API by which that process gets its work |
| ``launch`` | the script that becomes that process |
| ``variables`` | the environment variables it gets |
| ``opt`` | the folders it gets: the layers as ``/opt``, the runtime's own packages |
| ``report`` | what CloudWatch Logs gets |
| ``database``, ``streams`` | moto, and what it gets wrong |

What is not as in Lambda: memory, CPU and disk are not limited, the file system is the machine's
(code and layers lie in folders of their own, and can be written), one Python version and
architecture: those of LocalStack's environment. Extensions and ``AWS_LAMBDA_EXEC_WRAPPER`` are
refused, responses are not streamed, SnapStart and provisioned concurrency are untested.
"""
