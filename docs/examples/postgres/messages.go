package main

import "github.com/weir-go/weir/codec"

// Startup is a client's first message, the only one without a tag: names and values, such as user and database.
type Startup []codec.Pair[string, string]

// Message is anything that is sent after the Startup, in either direction: one of the types below.
type Message any

// What a client sends.
type (
	// Query is SQL, perhaps several statements.
	Query string
	// Password is the answer to an Authentication that asks for one.
	Password string
	// Terminate ends the session.
	Terminate struct{}
)

// What a server sends.
type (
	// Authentication says what the server wants: 0 is nothing more, 3 is a Password in clear text.
	Authentication struct {
		Kind uint32
		Data []byte
	}
	// ParameterStatus is a setting of the server.
	ParameterStatus codec.Pair[string, string]
	// BackendKeyData is what it takes to cancel a query.
	BackendKeyData struct{ Process, Secret uint32 }
	// ReadyForQuery says that a query is done: 'I' is idle, 'T' in a transaction, 'E' in one that has failed.
	ReadyForQuery byte
	// RowDescription is the columns of the DataRows that follow.
	RowDescription []Column
	// DataRow is the values of the columns as text; nil is NULL.
	DataRow []*string
	// CommandComplete is a command and how many rows it was about.
	CommandComplete string
	// EmptyQuery stands for CommandComplete if there was no statement.
	EmptyQuery struct{}
	// Failure and Notice are texts by kind, such as 'C' for the SQLSTATE and 'M' for the message.
	Failure []Detail
	// Notice is a Failure of less weight.
	Notice []Detail
	// Unknown is any other message.
	Unknown struct {
		Tag  byte
		Body []byte
	}
)

// Column describes a column of a result.
type Column struct {
	Name string
	Type ColumnType
}

// ColumnType is where a column comes from and what it holds.
type ColumnType struct {
	Table     uint32
	Attribute uint16
	Type      uint32
	Size      int16
	Modifier  int32
	Format    uint16
}

// Detail is a part of a Failure.
type Detail = codec.Pair[byte, string]

// Error returns the message.
func (f Failure) Error() string {
	var severity, text string
	for _, d := range f {
		switch d.First {
		case 'S':
			severity = d.Second
		case 'M':
			text = d.Second
		}
	}
	return "postgres: " + severity + ": " + text
}
