// Checks evidence with Go's own packages: golang.org/x/mod/sumdb/note and tlog.
//
// Reads questions, a JSON object a line, and answers each with one. Bytes are in base64.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/mldsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type question struct {
	Do      string
	Note    []byte
	Keys    []string
	Name    string
	Hashes  [][]byte // of a proof
	Leaf    []byte
	Index   int64
	Size    int64
	Root    []byte
	Old     int64
	OldRoot []byte
	Leaves  [][]byte
	Level   int
	Width   int
}

type answer struct {
	Error  string   `json:",omitempty"`
	Note   []byte   `json:",omitempty"`
	Text   []byte   `json:",omitempty"`
	Names  []string `json:",omitempty"`
	Key    string   `json:",omitempty"`
	Root   []byte   `json:",omitempty"`
	Hashes [][]byte `json:",omitempty"`
	Path   string   `json:",omitempty"`
}

func main() {
	questions, answers := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var q question
		if err := questions.Decode(&q); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			panic(err)
		}
		a, err := q.answer()
		if err != nil {
			a.Error = err.Error()
		}
		if err := answers.Encode(a); err != nil {
			panic(err)
		}
	}
}

func (q question) answer() (a answer, err error) {
	switch q.Do {
	case "open":
		var keys []note.Verifier
		for _, text := range q.Keys {
			key, err := verifier(text)
			if err != nil {
				return a, err
			}
			keys = append(keys, key)
		}
		opened, err := note.Open(q.Note, note.VerifierList(keys...))
		if err != nil {
			return a, err
		}
		a.Text = []byte(opened.Text)
		for _, signature := range opened.Sigs {
			a.Names = append(a.Names, signature.Name)
		}
	case "sign":
		private, public, err := note.GenerateKey(rand.Reader, q.Name)
		if err != nil {
			return a, err
		}
		signer, err := note.NewSigner(private)
		if err != nil {
			return a, err
		}
		a.Key = public
		a.Note, err = note.Sign(&note.Note{Text: string(q.Note)}, signer)
		return a, err
	case "included":
		return a, tlog.CheckRecord(hashes(q.Hashes), q.Size, hash(q.Root), q.Index, hash(q.Leaf))
	case "consistent":
		return a, tlog.CheckTree(hashes(q.Hashes), q.Size, hash(q.Root), q.Old, hash(q.OldRoot))
	case "include":
		stored, err := store(q.Leaves)
		if err != nil {
			return a, err
		}
		root, err := tlog.TreeHash(q.Size, stored)
		if err != nil {
			return a, err
		}
		proof, err := tlog.ProveRecord(q.Size, q.Index, stored)
		if err != nil {
			return a, err
		}
		a.Root = root[:]
		for _, each := range proof {
			a.Hashes = append(a.Hashes, each[:])
		}
	case "path":
		a.Path = tlog.Tile{H: 8, L: q.Level, N: q.Index, W: q.Width}.Path()
	default:
		return a, fmt.Errorf("no such question: %q", q.Do)
	}
	return a, nil
}

// verifier returns a key of c2sp.org/signed-note or c2sp.org/tlog-cosignature.
func verifier(text string) (note.Verifier, error) {
	name, rest, _ := strings.Cut(text, "+")
	_, encoded, _ := strings.Cut(rest, "+")
	typed, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(typed) == 0 {
		return nil, errors.New("no key")
	}
	sum := sha256.Sum256([]byte(name + "\n" + string(typed)))
	timed := cosigner{name: name, id: binary.BigEndian.Uint32(sum[:])}
	switch public := typed[1:]; typed[0] {
	case 4:
		timed.verify = func(text []byte, at uint64, signature []byte) bool {
			message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", at, text)
			return ed25519.Verify(public, []byte(message), signature)
		}
	case 6:
		key, err := mldsa.NewPublicKey(mldsa.MLDSA44(), public)
		if err != nil {
			return nil, err
		}
		timed.verify = func(text []byte, at uint64, signature []byte) bool {
			message := subtree(name, at, text)
			return message != nil && mldsa.Verify(key, message, signature, nil) == nil
		}
	default:
		return note.NewVerifier(text)
	}
	return timed, nil
}

type cosigner struct {
	name   string
	id     uint32
	verify func(text []byte, at uint64, signature []byte) bool
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.id }
func (c cosigner) Verify(text, signature []byte) bool {
	return len(signature) > 8 && c.verify(text, binary.BigEndian.Uint64(signature), signature[8:])
}

// subtree returns the cosigned_message of a checkpoint.
func subtree(name string, at uint64, text []byte) []byte {
	var size uint64
	lines := strings.Split(string(text), "\n")
	if len(lines) < 4 {
		return nil
	}
	if _, err := fmt.Sscan(lines[1], &size); err != nil {
		return nil
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil {
		return nil
	}
	var message bytes.Buffer
	message.WriteString("subtree/v1\n\x00")
	message.WriteByte(byte(len(name)))
	message.WriteString(name)
	binary.Write(&message, binary.BigEndian, at)
	message.WriteByte(byte(len(lines[0])))
	message.WriteString(lines[0])
	binary.Write(&message, binary.BigEndian, [2]uint64{0, size})
	message.Write(root)
	return message.Bytes()
}

type memory []tlog.Hash

func (m memory) ReadHashes(indexes []int64) (found []tlog.Hash, err error) {
	for _, index := range indexes {
		found = append(found, m[index])
	}
	return found, nil
}

func store(leaves [][]byte) (stored memory, err error) {
	for place, leaf := range leaves {
		more, err := tlog.StoredHashesForRecordHash(int64(place), hash(leaf), stored)
		if err != nil {
			return nil, err
		}
		stored = append(stored, more...)
	}
	return stored, nil
}

func hashes(given [][]byte) (each []tlog.Hash) {
	for _, one := range given {
		each = append(each, hash(one))
	}
	return each
}

func hash(given []byte) (h tlog.Hash) {
	copy(h[:], given)
	return h
}
