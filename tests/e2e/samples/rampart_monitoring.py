for line in response.iter_lines():
    if line and line.startswith(b'data: '):
        data = json.loads(line[6:])
        if data['type'] == 'audit':
            event = data['event']
            if event['decision']['action'] == 'deny':
                send_to_monitoring(event)
