package httpc

// Identifiers that the tests of package httpc_test share with the tests of this package.
var (
	NewTestClient = newClient
	TextOf        = text
	Trusting      = trusting
	Long          = long
	H2C           = h2c
)

// TestPatience limits how long a test waits.
const TestPatience = testPatience
