import GaussNewton
import LinearAlgebra
import TestSupport
import Testing

@testable import Training

@Suite(.serialized) struct HistogramCollectiveTests {
  @Test func `Every value is in the bucket of its edges`() {
    var histogram = Histogram(edges: [-1, 0, 2])
    for value in [-5.0, -1, -0.5, 0, 1.999, 2, 7] { histogram.add(value) }
    #expect(histogram.counts == [1, 2, 2, 2])
    #expect(histogram.count == 7 && histogram.minimum == -5 && histogram.maximum == 7)
    #expect(histogram.occupied.limits == [-1, 0, 2, 7])
    #expect(histogram.occupied.counts == [1, 2, 2, 2])
  }

  @Test func `Empty ones have no buckets`() {
    let histogram = Histogram(edges: [0, 1])
    #expect(histogram.occupied.limits.isEmpty && histogram.occupied.counts.isEmpty && histogram.count == 0)
  }

  @Test func `Merging is adding all values`() {
    let edges = [0.0, 1, 2]
    var (one, other, both) = (Histogram(edges: edges), Histogram(edges: edges), Histogram(edges: edges))
    for value in [0.5, 1.5] { one.add(value) }
    for value in [-3.0, 1.25] { other.add(value) }
    for value in [0.5, 1.5, -3, 1.25] { both.add(value) }
    one.merge(other.flattened)
    #expect(one == both)
    one.merge(Histogram(edges: edges).flattened)
    #expect(one == both)
  }

  @Test func `The buckets cover margins and weights`() {
    let histograms = MarginHistograms()
    for edges in [histograms.margins.edges, histograms.weights.edges] {
      #expect(zip(edges, edges.dropFirst()).allSatisfy { $0 < $1 })
    }
    #expect(histograms.margins.edges.contains(0))
    #expect(histograms.weights.edges.last! < 0.25)
  }

  /// Row i of the batch has the margin i/8 − 1; ranks have unequal shards, and the last rank may have none.
  @Test func `The histogram of the batch has the rows of all ranks`() throws {
    let communicator = World.communicator
    let (rows, size) = (37, communicator.size)
    let own = (0..<rows).filter { size == 1 || $0 % (size - 1) == communicator.rank }
    let values = own.map { Double($0) / 8 - 1 }
    let margin = SoftmaxMargin<Double>(capacity: rows)
    let logits = Matrix<Double>(zeros: own.count, 2)
    for (i, value) in values.enumerated() { logits[row: i][0] = value }
    margin.assign(replacing: logits, labels: ArraySlice(own.map { _ in 0 }))
    let all = try MarginHistograms.gather(margin, rows: own.count, over: communicator)
    #expect((all == nil) == (communicator.rank != 0))
    guard let all else { return }

    var expected = MarginHistograms().margins
    for i in 0..<rows { expected.add(Double(i) / 8 - 1) }
    #expect(all.margins.counts == expected.counts && all.weights.count == Double(rows))
    #expect(abs(all.margins.sum - expected.sum) < 1e-9 && abs(all.margins.maximum - expected.maximum) < 1e-12)
    #expect(all.weights.maximum == 0.25 && all.weights.minimum > 0)
  }
}
