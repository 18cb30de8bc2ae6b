import LinearAlgebra

/// Spearman's rank correlation of two samples; ties share the mean of their ranks.
package func rankCorrelation(_ x: [Double], _ y: [Double]) -> Double {
  precondition(x.count == y.count, "samples differ in size")
  func ranks(_ values: [Double]) -> [Double] {
    let order = values.indices.sorted { values[$0] < values[$1] }
    var ranks = [Double](repeating: 0, count: values.count)
    var start = 0
    while start < order.count {
      var end = start
      while end < order.count, values[order[end]] == values[order[start]] { end += 1 }
      for position in start..<end { ranks[order[position]] = Double(start + end - 1) / 2 }
      start = end
    }
    return ranks
  }
  let (a, b) = (ranks(x), ranks(y))
  let (meanA, meanB) = (a.mean, b.mean)
  let products = zip(a, b).map { ($0 - meanA) * ($1 - meanB) }
  let (squareA, squareB) = (a.map { ($0 - meanA) * ($0 - meanA) }, b.map { ($0 - meanB) * ($0 - meanB) })
  return products.reduce(0, +) / (squareA.reduce(0, +) * squareB.reduce(0, +)).squareRoot()
}
