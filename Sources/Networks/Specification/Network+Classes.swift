import LinearAlgebra

/// A head of which a rank holds some classes.
extension Network {
  /// This head with some of its classes alone, possibly none.
  ///
  /// - Precondition: the network is a head alone.
  package func keeping(_ classes: Range<Int>) -> Network {
    precondition(hasSingleLayer && classes.upperBound <= outputCount, "classes are kept of a head")
    let layer: any Layer =
      takesSparseInputs
      ? SparseLinear(inputs: inputCount, outputs: classes.count, hasBias: hasHeadBias)
      : Linear(inputs: inputCount, outputs: classes.count, hasBias: hasHeadBias)
    return Network(Stack([layer]), example: example, outline: outline)
  }

  /// Where the parameters of `keeping(classes)` lie among those of this head: runs of equal length that follow each other
  /// there, and here at equal distances; first the weights, then the biases.
  package func places(of classes: Range<Int>) -> [ParameterRuns] {
    layout.entries.map { entry in
      let width = entry.range.count / outputCount
      if entry.isTransposed {
        return ParameterRuns(
          start: entry.range.lowerBound + classes.lowerBound, length: classes.count, stride: outputCount, count: width)
      }
      return ParameterRuns(
        start: entry.range.lowerBound + classes.lowerBound * width, length: classes.count * width, stride: 0, count: 1)
    }
  }

  /// Of a vector with the parameters of this head (P), those of some classes.
  package func parameters<Scalar: BLASScalar>(_ classes: Range<Int>, of all: Vector<Scalar>) -> Vector<Scalar> {
    let places = places(of: classes)
    let own = Vector<Scalar>(zeros: places.reduce(0) { $0 + $1.length * $1.count })
    var end = 0
    for place in places {
      for range in place.ranges {
        own[end..<end + range.count].assign(all[range])
        end += range.count
      }
    }
    return own
  }
}

/// Runs of numbers at equal distances.
package struct ParameterRuns {
  package let start, length, stride, count: Int

  package var ranges: some Sequence<Range<Int>> {
    (0..<count).lazy.map { [start, length, stride] in start + $0 * stride..<start + $0 * stride + length }
  }
}
