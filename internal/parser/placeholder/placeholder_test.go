package placeholder

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFind(t *testing.T) {
	const data = ` ["a", {"_placeholder":true,"num":1}, {"x":{"num":0,"\u005fplaceholder":true}}, {"_placeholder":false}]`

	found, err := Find([]byte(data), 2)

	require.NoError(t, err)
	var texts []string
	for _, p := range found {
		texts = append(texts, data[p.Start:p.End])
	}
	require.Equal(t, []string{`{"_placeholder":true,"num":1}`, `{"num":0,"\u005fplaceholder":true}`}, texts)
	require.Equal(t, []int{1, 0}, []int{found[0].Num, found[1].Num})
}

func TestFindRefuses(t *testing.T) {
	for data, want := range map[string]error{
		`[{"_placeholder":true}]`:                                       errPlaceholder,
		`[{"_placeholder":true,"num":-1}]`:                              errPlaceholder,
		`[{"_placeholder":true,"num":10}]`:                              errPlaceholder,
		`[{"_placeholder":true,"num":1}]`:                               ErrAmbiguous,
		`[{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]`: ErrAmbiguous,
		`[{"_placeholder":true,"num":0}`:                                errStructure,
		`]`:                                                             errStructure,
		`["`:                                                            errStructure,
	} {
		_, err := Find([]byte(data), 1)
		require.ErrorIs(t, err, want, data)
	}
}
