// Verify checks a folder of `tocsin export` without Tocsin: go run verify.go FOLDER KEY
//
// KEY is the log's verifier key, which you have from elsewhere. It computes each leaf, the chain and
// the tree (RFC 9162), and checks the signed checkpoint (https://c2sp.org/tlog-checkpoint).
package main

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

func hash(parts ...[]byte) []byte {
	digest := sha256.Sum256(bytes.Join(parts, nil))
	return digest[:]
}

func check(holds bool, format string, values ...any) {
	if !holds {
		fmt.Printf("NOT WHAT WAS SIGNED: "+format+"\n", values...)
		os.Exit(1)
	}
}

func read(folder, name string) []byte {
	content, err := os.ReadFile(filepath.Join(folder, name))
	check(err == nil, "%v", err)
	return content
}

// signed returns the origin, the size and the root of a checkpoint that the key has signed.
func signed(note, verifier string) (string, int, []byte) {
	key := strings.SplitN(verifier, "+", 3) // base64 may have a plus, too
	check(len(key) == 3, "the key is no verifier key")
	public, err := base64.StdEncoding.DecodeString(key[2])
	check(err == nil && len(public) == 33 && public[0] == 1, "the key is no Ed25519 key")
	id := hash([]byte(key[0]+"\n"), public)[:4]
	check(hex.EncodeToString(id) == key[1], "the key is cut or changed")
	text, signatures, _ := strings.Cut(note, "\n\n")
	text += "\n"
	for _, line := range strings.Split(signatures, "\n") {
		encoded, ours := strings.CutPrefix(line, "— "+key[0]+" ")
		value, err := base64.StdEncoding.DecodeString(encoded)
		if !ours || err != nil || len(value) != 68 || !bytes.Equal(value[:4], id) {
			continue
		}
		check(ed25519.Verify(public[1:], []byte(text), value[4:]), "the signature is another's")
		lines := strings.Split(text, "\n")
		check(len(lines) >= 4 && lines[0] == key[0], "the checkpoint is another log's")
		size, err := strconv.Atoi(lines[1])
		root, bad := base64.StdEncoding.DecodeString(lines[2])
		check(err == nil && bad == nil && size > 0, "the checkpoint is none")
		return lines[0], size, root
	}
	check(false, "this key has not signed the checkpoint")
	return "", 0, nil
}

func main() {
	check(len(os.Args) == 3, "usage: verify FOLDER KEY")
	origin, size, root := signed(string(read(os.Args[1], "checkpoint")), os.Args[2])
	link := hash([]byte("tocsin/v1/" + origin[strings.LastIndex(origin, "/")+1:]))
	var peaks [][]byte // of the tree: a perfect subtree for each bit of its size
	var events int
	file, err := os.Open(filepath.Join(os.Args[1], "entries.jsonl"))
	check(err == nil, "%v", err)
	lines := bufio.NewReaderSize(file, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			check(len(line) == 0, "the last line is cut off")
			break
		}
		head := fmt.Sprintf(`{"seq":%d,"prev_hash":"%x","hash":"`, events+1, link)
		rest, follows := bytes.CutPrefix(line, []byte(head))
		check(follows && len(rest) > 68, "seq %d does not follow the one before", events+1)
		told, rest := string(rest[:64]), rest[64:]
		var leaf []byte
		if entry, kept := bytes.CutPrefix(rest, []byte(`","event":`)); kept {
			leaf = hash([]byte{0}, bytes.TrimSuffix(entry, []byte("}\n")))
		} else if text, old := bytes.CutPrefix(rest, []byte(`","leaf":"`)); old {
			leaf, _ = hex.DecodeString(string(bytes.TrimSuffix(text, []byte("\"}\n"))))
		}
		link = hash(link, leaf)
		check(hex.EncodeToString(link) == told, "seq %d is not the event that was sealed", events+1)
		for number := events; number&1 == 1; number >>= 1 {
			leaf = hash([]byte{1}, peaks[len(peaks)-1], leaf)
			peaks = peaks[:len(peaks)-1]
		}
		peaks = append(peaks, leaf)
		if events++; events == size {
			top := peaks[len(peaks)-1]
			for at := len(peaks) - 2; at >= 0; at-- {
				top = hash([]byte{1}, peaks[at], top)
			}
			check(bytes.Equal(top, root), "events up to seq %d were rewritten since", size)
		}
	}
	check(events >= size, "the log ends at %d, and %d events were signed", events, size)
	fmt.Printf("%d events hold, %d of them signed as %s\n", events, size, origin)
}
