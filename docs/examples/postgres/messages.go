package main

import "github.com/weir-go/weir/codec"

// Startup is a client's first message, the only one without a tag. It has names and values, such as user and database.
type Startup []codec.Pair[string, string]

// Message is any message after the Startup, in either direction: one of the types below.
type Message any

// Messages of a client.
type (
	// Query is SQL, perhaps several statements.
	Query string
	// Password is the answer to an Authentication that asks for one.
	Password string
	// Terminate ends the session.
	Terminate struct{}
)

// Messages of a server.
type (
	// Authentication is what the server requests: 0 is nothing more, 3 is a Password in clear text.
	Authentication struct {
		Kind uint32
		Data []byte
	}
	// ParameterStatus is a setting of the server.
	ParameterStatus codec.Pair[string, string]
	// BackendKeyData is needed to cancel a query.
	BackendKeyData struct{ Process, Secret uint32 }
	// ReadyForQuery means that a query is done: 'I' is idle, 'T' in a transaction, 'E' in a failed one.
	ReadyForQuery byte
	// RowDescription describes the columns of the DataRows that follow.
	RowDescription []Column
	// DataRow has the values of the columns as text; nil is NULL.
	DataRow []*string
	// CommandComplete names a command and the number of its rows.
	CommandComplete string
	// EmptyQuery replaces CommandComplete if there was no statement.
	EmptyQuery struct{}
	// Failure and Notice have texts by kind, such as 'C' for the SQLSTATE and 'M' for the message.
	Failure []Detail
	// Notice is a Failure that is only a warning.
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

// ColumnType is the origin and the type of a column.
type ColumnType struct {
	Table     uint32
	Attribute uint16
	Type      uint32
	Size      int16
	Modifier  int32
	Format    uint16
}

// Detail is one text of a Failure.
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
