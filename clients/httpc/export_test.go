package httpc

// What the tests of the package httpc_test share with those of this one.
var (
	NewTestClient = newClient
	TextOf        = text
	Trusting      = trusting
	Long          = long
	H2C           = h2c
)

// TestPatience bounds what a test waits for.
const TestPatience = testPatience
