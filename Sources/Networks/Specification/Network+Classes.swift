import LinearAlgebra

/// A network of whose head a rank holds some classes. The head is the last layer, which is fully connected.
extension Network {
  /// This network with some classes of its head alone, possibly none.
  package func keeping(_ classes: Range<Int>) -> Network {
    precondition(classes.upperBound <= outputCount, "only classes that there are can be kept")
    return Network(body.replacingLast(by: headLayer(classes.count)), example: example, outline: outline)
  }

  /// The head alone, which takes what the other layers give (H).
  package var head: Network { hasSingleLayer ? self : Network([headLayer(outputCount)]) }

  /// The layers below the head, which give its inputs; nil where there are none.
  package var trunk: Network? {
    body.withoutLast.map { Network($0, example: example, outline: outline.dropLast()) }
  }

  /// The number of parameters of the layers below the head, which are the first ones.
  package var trunkParameterCount: Int { body.parameterRanges.last!.lowerBound }

  private func headLayer(_ classCount: Int) -> any Layer {
    let inputs = layers.last!.inputCount
    return hasSingleLayer && takesSparseInputs
      ? SparseLinear(inputs: inputs, outputs: classCount, hasBias: hasHeadBias)
      : Linear(inputs: inputs, outputs: classCount, hasBias: hasHeadBias)
  }

  /// `initialParameters` of `keeping(classes)`: those of this network, without memory for all of them.
  package func initialParameters<Scalar: BLASScalar>(seed: UInt64, keeping classes: Range<Int>) -> Vector<Scalar> {
    let own = keeping(classes)
    let parameters = Vector<Scalar>(zeros: own.layout.count)
    var generator = SplitMix64(seed: seed)
    let T = trunkParameterCount
    // No layer's rule looks at the head.
    trunk?.body.initialize(parameters[0..<T], gain: 1, using: &generator)
    fillHead(parameters[T..<parameters.count], keeping: classes, using: &generator)
    return parameters
  }

  /// Weights by the rule of the head, in its order.
  private func fillHead<Scalar: BLASScalar>(
    _ parameters: Vector<Scalar>, keeping classes: Range<Int>, using generator: inout SplitMix64
  ) {
    let head = layers.last as! any FullyConnected
    let (inputs, count) = (head.inputCount, head.outputCount)
    let isTransposed = head is SparseLinear
    let deviation = head.weightDeviation(gain: 1)
    // A row of all weights at a time: of a class, or of an input where they are transposed.
    let row = Vector<Scalar>(zeros: isTransposed ? count : inputs)
    for index in 0..<(isTransposed ? inputs : count) {
      row.fillNormal(deviation: deviation, using: &generator)
      if isTransposed {
        parameters[index * classes.count..<(index + 1) * classes.count].assign(row[classes])
      } else if classes.contains(index) {
        let start = (index - classes.lowerBound) * inputs
        parameters[start..<start + inputs].assign(row)
      }
    }
  }

  /// Whether a tensor is one of the head's, of which ranks hold some classes.
  package func isOfHead(_ entry: ParameterLayout.Entry) -> Bool { entry.range.lowerBound >= trunkParameterCount }

  /// Where the parameters of `keeping(classes)` lie among those of this network: for each tensor runs of equal length that
  /// follow each other there, and here at equal distances. Those below the head lie there as here.
  package func places(of classes: Range<Int>) -> [ParameterRuns] {
    layout.entries.map { entry in
      guard isOfHead(entry) else {
        return ParameterRuns(start: entry.range.lowerBound, length: entry.range.count, stride: 0, count: 1)
      }
      let width = entry.range.count / outputCount
      if entry.isTransposed {
        return ParameterRuns(
          start: entry.range.lowerBound + classes.lowerBound, length: classes.count, stride: outputCount, count: width)
      }
      return ParameterRuns(
        start: entry.range.lowerBound + classes.lowerBound * width, length: classes.count * width, stride: 0, count: 1)
    }
  }

  /// Of a vector with the parameters of this network (P), those of `keeping(classes)`.
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
