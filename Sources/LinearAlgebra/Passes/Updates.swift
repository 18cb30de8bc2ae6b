public import CKernels

/// The rule of a step of stochastic gradient descent: h = g + μθ, v ← ηv + h, d = v, or h + ηv if `nesterov`, θ ← θ −
/// rate·d.
@_documentation(visibility: internal)
public typealias SGDUpdate = fgn_sgd

/// The rule of a step of Adam: h = g + μθ, m ← β₁m + (1−β₁)h, v ← β₂v + (1−β₂)h², d = m̂/(√v̂ + ε) + μ'θ, θ ← θ −
/// rate·d, with m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ), and the decoupled decay μ'.
@_documentation(visibility: internal)
public typealias AdamUpdate = fgn_adam

// One pass over memory each, on all threads.
extension Vector {
  /// Takes the step in θ, which is self; returns ‖d‖².
  package func descend(_ rule: SGDUpdate, gradient: Vector, velocity: Vector) -> Double {
    assert(isDisjoint(from: gradient, velocity) && velocity.isDisjoint(from: gradient), overlap)
    return overBlocks(self, gradient, velocity) { x, n in
      Scalar.descend(rule, gradient: x[1], parameters: x[0], velocity: x[2], n)
    }.reduce(0, +)
  }

  /// Takes the step in θ, which is self; returns ‖d‖².
  package func descend(_ rule: AdamUpdate, gradient: Vector, firstMoment: Vector, secondMoment: Vector) -> Double {
    assert(isDisjoint(from: gradient, firstMoment, secondMoment), overlap)
    assert(firstMoment.isDisjoint(from: gradient, secondMoment) && secondMoment.isDisjoint(from: gradient), overlap)
    return overBlocks(self, gradient, firstMoment, secondMoment) { x, n in
      Scalar.descend(rule, gradient: x[1], parameters: x[0], firstMoment: x[2], secondMoment: x[3], n)
    }.reduce(0, +)
  }

  /// ‖self + a·x‖²
  package func squaredNorm(adding a: Scalar, _ x: Vector) -> Double {
    overBlocks(self, x) { x, n in Scalar.sumSquare(x[0], a, x[1], n) }.reduce(0, +)
  }

  /// self ← self − (a·x + b·y); returns ‖self‖².
  package func subtract(_ a: Scalar, _ x: Vector, _ b: Scalar, _ y: Vector) -> Double {
    assert(isDisjoint(from: x, y), overlap)
    return overBlocks(self, x, y) { x, n in Scalar.subtract(a, x[1], b, x[2], from: x[0], n) }.reduce(0, +)
  }

  /// self ← a·x + b·y, rounded as by `combine(b, y, 0)` and then `combine(a, x)`. The vectors share no memory.
  package func assign(_ a: Scalar, _ x: Vector, _ b: Scalar, _ y: Vector) {
    assert(isDisjoint(from: x, y), overlap)
    _ = overBlocks(self, x, y) { v, n in
      // The result of the first kernel is still in the first cache when the second one reads it.
      let chunk = 1 << 11
      for start in stride(from: 0, to: n, by: chunk) {
        let count = min(chunk, n - start)
        Scalar.combine(b, v[2] + start, 0, v[0] + start, count)
        Scalar.combine(a, v[1] + start, 1, v[0] + start, count)
      }
    }
  }

  /// self ← a·x + b·y, and sum ← y + self.
  package func assign(_ a: Scalar, _ x: Vector, _ b: Scalar, _ y: Vector, sum: Vector) {
    assert(isDisjoint(from: x, y, sum) && sum.isDisjoint(from: x, y), overlap)
    _ = overBlocks(self, x, y, sum) { v, n in Scalar.lookAhead(a, v[1], b, v[2], into: v[0], sum: v[3], n) }
  }

  /// θ ← θ + rate·step, where θ is self and step ← a·y + z; returns ‖step‖².
  package func advance(_ a: Scalar, _ y: Vector, _ z: Vector, rate: Scalar, step: Vector) -> Double {
    assert(isDisjoint(from: y, z, step) && step.isDisjoint(from: y, z), overlap)
    return overBlocks(self, y, z, step) { v, n in Scalar.goOn(a, v[1], v[2], rate: rate, v[0], step: v[3], n) }.reduce(
      0, +)
  }

  /// Σ self·x and ‖self‖².
  package func dotAndSquare(_ x: Vector) -> (dot: Double, square: Double) {
    overBlocks(self, x) { v, n in Scalar.dotAndSquare(v[0], v[1], n) }
      .reduce((0, 0)) { ($0.0 + $1.dot, $0.1 + $1.square) }
  }

  // The bits of these methods are those of `combine(1, y)` followed by separate sums: a block passes through the same
  // kernels while it is in the processor's cache.

  /// self ← self + y; returns ‖self‖².
  package func add(_ y: Vector) -> Double {
    assert(isDisjoint(from: y), overlap)
    return overBlocks(self, y) { v, n in
      Scalar.combine(1, v[1], 1, v[0], n)
      return Scalar.dot(v[0], v[0], n)
    }.reduce(0, +)
  }

  /// self ← self + y; returns Σ self·x and ‖self‖².
  package func add(_ y: Vector, dotAndSquare x: Vector) -> (dot: Double, square: Double) {
    assert(isDisjoint(from: y), overlap)
    return overBlocks(self, y, x) { v, n in
      Scalar.combine(1, v[1], 1, v[0], n)
      return Scalar.dotAndSquare(v[0], v[2], n)
    }.reduce((0, 0)) { ($0.0 + $1.dot, $0.1 + $1.square) }
  }
}

/// The results of `body` on blocks of vectors of equal count, on all threads. Its arguments are the beginnings of the
/// block in each vector, and its length. The blocks are fixed, so that a sum of the results does not depend on the
/// number of threads.
func overBlocks<Scalar: BLASScalar, Result: BitwiseCopyable>(
  _ vectors: Vector<Scalar>..., body: ([UnsafeMutablePointer<Scalar>], Int) -> Result
) -> [Result] {
  let count = vectors[0].count
  precondition(vectors.allSatisfy { $0.count == count }, "vectors differ in count")
  if count == 0 { return [] }
  let block = 1 << 16
  let blocks = (count + block - 1) / block
  defer { extendLifetime(vectors) }
  let starts = vectors.map { $0.withElements { $0.baseAddress! } }
  return [Result](unsafeUninitializedCapacity: blocks) { results, initialized in
    let results = results
    Threads.parallel(blocks, grain: 1) { range in
      for index in range {
        results.initializeElement(
          at: index, to: body(starts.map { $0 + index * block }, min(block, count - index * block)))
      }
    }
    initialized = blocks
  }
}
