// Blocks of C where vectors have nothing better.
struct Blocks {
  template <template <class> class F, class... Rest>
  static auto with(unsigned, Rest... rest) {
    return F<ByWord>::run(rest...);
  }
};
