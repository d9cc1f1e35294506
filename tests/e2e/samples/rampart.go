package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
)

type SSEEvent struct {
	Type  string          `json:"type"`
	Event json.RawMessage `json:"event,omitempty"`
	RunID string          `json:"run_id,omitempty"`
}

func main() {
	token, _ := os.ReadFile(os.ExpandEnv("$HOME/.rampart/token"))
	req, _ := http.NewRequest("GET", "http://localhost:9090/v1/events/stream", nil)
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	scanner := bufio.NewScanner(resp.Body)
	for scanner.Scan() {
		line := scanner.Text()
		if !strings.HasPrefix(line, "data: ") {
			continue
		}
		var event SSEEvent
		if err := json.Unmarshal([]byte(line[6:]), &event); err != nil {
			continue
		}
		fmt.Printf("Event: %s\n", event.Type)
	}
}
