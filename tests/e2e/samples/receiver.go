// Takes what Tocsin delivers, each event once. Go's standard library, and nothing else:
// so its store is a file of lines, which one process may write. A database does that for you.
//
//	WEBHOOK_SECRET=whsec_... PORT=8000 go run receiver.go
package main

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	tolerance    = 5 * time.Minute
	maxBodyBytes = 64 * 1024 // what is larger than 20 KB comes thin
)

// A line of the store: the id and what the event does. It is there as a whole, or not at all.
type line struct {
	ID    string `json:"id"`
	Event struct {
		ID  string `json:"id"`
		Seq int64  `json:"seq"`
	} `json:"event"`
}

type store struct {
	mutex sync.Mutex
	file  *os.File
	size  int64 // of the lines that are stored
	taken map[string]bool
}

// open reads what was taken, up to the first line that a killed process left unfinished.
func open(path string) (*store, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	s := &store{file: file, taken: map[string]bool{}}
	for lines := bufio.NewReader(file); ; {
		text, err := lines.ReadBytes('\n')
		var one line
		if err != nil || json.Unmarshal(text, &one) != nil {
			return s, file.Truncate(s.size)
		}
		s.size += int64(len(text))
		s.taken[one.ID] = true
	}
}

// take stores an event, unless it was stored before; then it has an effect once.
func (s *store) take(id string, body []byte) error {
	payload := struct {
		Data json.RawMessage `json:"data"`
	}{}
	one := line{ID: id}
	if err := json.Unmarshal(body, &payload); err != nil {
		return err
	}
	if err := json.Unmarshal(payload.Data, &one.Event); err != nil {
		return err
	}
	text, err := json.Marshal(one)
	if err != nil {
		return err
	}
	text = append(text, '\n')
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.taken[id] {
		return nil
	}
	if _, err := s.file.WriteAt(text, s.size); err != nil {
		return err // what there is of it will be written over
	}
	if err := s.file.Sync(); err != nil {
		return err
	}
	s.size += int64(len(text))
	s.taken[id] = true
	return nil
}

// verified tells whether somebody who knows a secret signed this body, and not long ago.
func verified(keys [][]byte, id, timestamp, signatures string, body []byte) bool {
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || seconds < 0 || seconds > 1e11 {
		return false
	}
	if time.Since(time.Unix(seconds, 0)).Abs() > tolerance {
		return false
	}
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + timestamp + "."))
		mac.Write(body)
		wanted := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		for _, given := range strings.Split(signatures, " ") {
			if hmac.Equal([]byte(given), wanted) {
				return true
			}
		}
	}
	return false
}

func main() {
	var keys [][]byte
	for _, each := range strings.Fields(os.Getenv("WEBHOOK_SECRET")) { // while you rotate: both
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(each, "whsec_"))
		if err != nil {
			log.Fatal("WEBHOOK_SECRET: ", err)
		}
		keys = append(keys, key)
	}
	path, port := os.Getenv("STORE"), os.Getenv("PORT")
	if path == "" {
		path = "events.jsonl"
	}
	if port == "" {
		port = "8000"
	}
	events, err := open(path)
	if err != nil {
		log.Fatal(err)
	}

	handler := func(answer http.ResponseWriter, request *http.Request) {
		if request.Method != http.MethodPost {
			answer.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		var body bytes.Buffer // as it came: parsing and writing it makes other bytes
		if _, err := io.Copy(&body, http.MaxBytesReader(answer, request.Body, maxBodyBytes)); err != nil {
			answer.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		headers := request.Header
		id := headers.Get("webhook-id")
		timestamp, signatures := headers.Get("webhook-timestamp"), headers.Get("webhook-signature")
		if id == "" || !verified(keys, id, timestamp, signatures, body.Bytes()) {
			answer.WriteHeader(http.StatusUnauthorized)
			return
		}
		if err := events.take(id, body.Bytes()); err != nil {
			log.Print("not stored: ", err) // have it sent again
			answer.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		answer.WriteHeader(http.StatusNoContent)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening")
	server := http.Server{Handler: http.HandlerFunc(handler), ReadTimeout: 30 * time.Second}
	log.Fatal(server.Serve(listener))
}
